// Starts Swagger UI on the page that /api/v1/docs/ serves; a file of its own, so that no inline script is needed.
"use strict";

const page = document.getElementById("api");

SwaggerUIBundle({
  domNode: page,
  url: page.dataset.schema,
  deepLinking: true,
  docExpansion: "none",
  displayOperationId: true,
  filter: true,
  persistAuthorization: false,
  validatorUrl: null,
});
