"""What only kubectl and other command-line clients need: tables, columns, OpenAPI, server-side apply."""
