"""Makes text that somebody else wrote safe to read, to show and to follow: URLs, hosts, Markdown and YAML."""
