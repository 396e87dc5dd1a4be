"""What only the real hub can tell, which the nightly workflow asks."""
