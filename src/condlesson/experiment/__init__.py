"""The experiment: networks that differ in how they are told the time, trained and compared."""
