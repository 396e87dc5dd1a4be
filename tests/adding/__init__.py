"""A library of three lines of use, and its adapter, as a library author would write them."""
