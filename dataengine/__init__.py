"""dataengine: raw images, short videos and captions → a release that a trainer can read."""
