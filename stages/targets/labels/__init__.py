"""Any number of labels an example."""
