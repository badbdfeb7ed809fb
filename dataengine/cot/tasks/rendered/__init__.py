"""Task families whose pictures are drawn from the seed, so that their answers are exact by construction."""
