//! HighLevel.
