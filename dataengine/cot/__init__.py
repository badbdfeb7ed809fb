"""Chain-of-thought records measured from the media of a release, in five modes.

Folders import only earlier ones of: core, tasks, teachers, checks, questions, paths, review, mix. ``checks`` come before
``questions`` since a question is kept only if it can be verified.
"""
