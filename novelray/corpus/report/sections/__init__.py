"""The sections of the page: each a pure function of the report and the language to its body, or why it is empty."""
