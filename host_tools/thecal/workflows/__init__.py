"""Guided workflows: a session, an implant, a change of concentration, a calibration. docs/howto/workflows.md.

Each is a list of questions that flags may answer beforehand; nothing is committed before the last yes.
"""
