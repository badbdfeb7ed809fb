"""The browse page as a researcher uses it, in headless Chromium, over the small corpus's finished run."""
