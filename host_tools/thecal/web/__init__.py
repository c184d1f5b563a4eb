"""`thecal web`: the bench of an emulated pump as a page in a browser (docs/reference/web.md)."""
