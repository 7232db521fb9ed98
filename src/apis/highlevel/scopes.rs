//! What each call needs: the scope that the vendor declares for its operation.

/// The scopes by route. Source: `security` of the operations in HighLevel's OpenAPI files. The two bulk calls and the definition of one field
/// declare none; they are taken for what their neighbors need.
const SCOPES: &[(&str, &[&str])] = &[
    (
        "contacts.readonly",
        &[
            "GET /contacts/",
            "GET /contacts/{id}",
            "GET /contacts/search/duplicate",
            "POST /contacts/search",
            "GET /contacts/business/{businessId}",
            "GET /contacts/{id}/appointments",
            "GET /contacts/{id}/notes",
            "GET /contacts/{id}/notes/{noteId}",
            "GET /contacts/{id}/tasks",
            "GET /contacts/{id}/tasks/{taskId}",
        ],
    ),
    (
        "contacts.write",
        &[
            "POST /contacts/",
            "PUT /contacts/{id}",
            "DELETE /contacts/{id}",
            "POST /contacts/upsert",
            "POST /contacts/bulk/tags/update/add",
            "POST /contacts/bulk/tags/update/remove",
            "POST /contacts/bulk/business",
            "POST /contacts/{id}/tags",
            "DELETE /contacts/{id}/tags",
            "POST /contacts/{id}/followers",
            "DELETE /contacts/{id}/followers",
            "POST /contacts/{id}/campaigns/{campaignId}",
            "DELETE /contacts/{id}/campaigns/{campaignId}",
            "DELETE /contacts/{id}/campaigns/removeAll",
            "POST /contacts/{id}/workflow/{workflowId}",
            "DELETE /contacts/{id}/workflow/{workflowId}",
            "POST /contacts/{id}/notes",
            "PUT /contacts/{id}/notes/{noteId}",
            "DELETE /contacts/{id}/notes/{noteId}",
            "POST /contacts/{id}/tasks",
            "PUT /contacts/{id}/tasks/{taskId}",
            "PUT /contacts/{id}/tasks/{taskId}/completed",
            "DELETE /contacts/{id}/tasks/{taskId}",
        ],
    ),
    ("locations.readonly", &["GET /locations/{id}"]),
    (
        "locations/customFields.readonly",
        &[
            "GET /locations/{id}/customFields",
            "GET /locations/{id}/customFields/{fieldId}",
        ],
    ),
    (
        "locations/customFields.write",
        &["POST /locations/{id}/customFields"],
    ),
    ("locations/tags.readonly", &["GET /locations/{id}/tags"]),
    (
        "locations/tasks.readonly",
        &["POST /locations/{id}/tasks/search"],
    ),
    (
        "businesses.readonly",
        &["GET /businesses/", "GET /businesses/{id}"],
    ),
    ("businesses.write", &["POST /businesses/"]),
    ("users.readonly", &["GET /users/"]),
    ("workflows.readonly", &["GET /workflows/"]),
    ("campaigns.readonly", &["GET /campaigns/"]),
];

/// Returns the scope that a call of this route needs, as [`crate::net::Call`] names routes; `None` for a route that is not one of ours.
pub fn scope_of(route: &str) -> Option<&'static str> {
    let row = SCOPES.iter().find(|(_, routes)| routes.contains(&route));
    row.map(|(scope, _)| *scope)
}
