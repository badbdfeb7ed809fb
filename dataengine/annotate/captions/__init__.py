"""Re-captioning: models write captions of samples, which are checked, matched with the media and chosen from."""
