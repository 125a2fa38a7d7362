"""Generated from proto/ by `make proto`; committed so that users need no compiler."""
