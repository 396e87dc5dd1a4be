"""The models of a session: fetched before its first test, checked and locked."""
