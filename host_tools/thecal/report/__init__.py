"""The session report: what a pump was told to do, what it did, and whether its log can be trusted.

Page: docs/reference/report.md.

record      everything a report needs, from a pump, a file or a simulation; one JSON document
course      programmed and delivered volume over time, from the record
trumpet     flow accuracy over windows
summary     the report in words and tables, the one source of HTML and PDF
figures     its plots
html, pdf   the two forms
"""
