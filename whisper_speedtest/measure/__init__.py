"""The clock, the judge, and the typed record of what was measured. Imports no pytest."""
