"""The ledger of triples: every run that Git and DVC know as (generator, parameters, data) -> metrics."""
