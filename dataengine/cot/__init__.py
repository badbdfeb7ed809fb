"""Chain-of-thought records measured from the media of a release, in five modes."""
