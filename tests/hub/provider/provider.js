// A provider of OpenID Connect, for tests: npm's oidc-provider, whose users are who they say they are.
// Its arguments: the hub's address for callbacks, the client's secret.
import { createServer } from "node:http";
import { once } from "node:events";
import Provider from "oidc-provider";

const [callback, secret] = process.argv.slice(2);
const server = createServer();
server.listen(0, "127.0.0.1");
await once(server, "listening");
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{ client_id: "hub", client_secret: secret, redirect_uris: [callback] }],
  pkce: { required: () => true },
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  cookies: { keys: ["only for tests"] },
  // "subject:email" is verified, "subject:email:no" is not.
  findAccount: (_context, id) => {
    const [, email, no] = id.split(":");
    return { accountId: id, claims: () => ({ sub: id.split(":")[0], email, email_verified: no === undefined }) };
  },
});

server.on("request", async (request, response) => {
  const url = new URL(request.url, issuer);
  if (!url.pathname.startsWith("/interaction/")) return provider.callback()(request, response);
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  let result;
  if (url.searchParams.has("refuse")) {
    result = { error: "access_denied" };
  } else if (prompt.name === "login") {
    result = { login: { accountId: url.searchParams.get("as") } };
  } else {
    const grant = grantId
      ? await provider.Grant.find(grantId)
      : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope("openid email");
    result = { consent: { grantId: await grant.save() } };
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
});
console.log(issuer);
