"""Pay beside the hours, and what takes pay back: each act with its person, its reason, its second person and its news."""
