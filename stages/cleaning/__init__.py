"""Which rows go on: named policies for faulty ones, and the splits and samples drawn from the seed."""
