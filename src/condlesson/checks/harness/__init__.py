"""Running a learner's code safely, and saying where in it something happened."""
