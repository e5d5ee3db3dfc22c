//! CrossTalk request and response objects.
