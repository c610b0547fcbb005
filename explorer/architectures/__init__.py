"""Networks of the guide as code to read beside the paper, one file a family; only torch is imported here."""
