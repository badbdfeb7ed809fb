"""Task families that are composed of real samples: parts of one, edits of one, sheets of many."""
