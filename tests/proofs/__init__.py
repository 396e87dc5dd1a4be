"""Programs that show how far the printed numbers can be believed. METHODOLOGY.md quotes them."""
