"""Campaigns: many seeded simulations of one kind, each of which can be replayed alone
(docs/howto/campaigns.md).

A campaign is one module with one `CAMPAIGN` (`thecal.campaigns.base`), named in `catalog`.
`runner` spreads its runs over the cores, `results` keeps them as Parquet.
"""
