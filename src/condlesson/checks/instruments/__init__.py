"""Measurements on code that nobody has read: which sinusoid it is, what its layers do."""
