"""Host and Request to a Plan or a Refusal; a function of data."""
