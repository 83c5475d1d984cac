"""Pages of the site that lie elsewhere, and one of each public module."""

from __future__ import annotations

from pathlib import Path

import mkdocs_gen_files

ROOT = Path(__file__).parent.parent

with mkdocs_gen_files.open("index.md", "w") as page:
    page.write((ROOT / "README.md").read_text("utf-8").replace("](notebooks/", "]("))

MODELS = "saved_models/README.md"
with mkdocs_gen_files.open(MODELS, "w") as page:
    page.write((ROOT / MODELS).read_text("utf-8"))

with mkdocs_gen_files.open("guides/SUMMARY.md", "w") as page:
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        title = notebook.stem.lstrip("0123456789_").replace("_", " ").capitalize()
        page.write(f"* [{title}](../{notebook.name})\n")

nav = mkdocs_gen_files.Nav()
for path in sorted((ROOT / "tfrec").rglob("*.py")):
    parts = path.relative_to(ROOT).with_suffix("").parts
    package = parts[-1] == "__init__"
    parts = parts[:-1] if package else parts
    if any(part.startswith("_") for part in parts):
        continue
    file = Path(*parts, "index.md") if package else Path(*parts).with_suffix(".md")
    nav[parts] = file.as_posix()
    name = ".".join(parts)
    with mkdocs_gen_files.open(Path("reference", file), "w") as page:
        page.write(f"# {name}\n\n::: {name}\n")
with mkdocs_gen_files.open("reference/SUMMARY.md", "w") as page:
    page.writelines(nav.build_literate_nav())
