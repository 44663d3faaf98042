"""One level-triggered function a kind: it looks at what should be and what is, and does the next thing."""
