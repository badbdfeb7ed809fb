"""Thinking with images on drawn pictures: each question needs a program, whose result the reply then reads."""
