"""The pages, one module each: what is asked of the site, and the template that shows it."""
