"""The operator's front end: the only place that prints or exits."""
