//! A folder as a site.
