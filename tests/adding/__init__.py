"""A library that is installed nowhere, and its adapter, as a library author would write them."""
