"""A drawing becomes text or a file: SVG, DOT, and by Graphviz pdf and png."""
