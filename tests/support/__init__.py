"""Real servers, corpora and small releases that tests of several folders share."""
