"""What pytest is told: options, selection, fixtures, pre-fetch, check; and what is shown."""
