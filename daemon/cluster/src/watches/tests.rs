//! Watches against a fake API server in the same process, under paused time.
