//! The page, read by a parser of the text format.
