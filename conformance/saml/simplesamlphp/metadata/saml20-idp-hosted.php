<?php
// The provider itself.
$persistent = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';
$metadata[getenv('IDP_URL') . '/idp'] = [
    'host' => '__DEFAULT__',
    'privatekey' => 'idp.key',
    'certificate' => 'idp.crt',
    'auth' => 'people',
    'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'saml20.sign.assertion' => true,
    'saml20.sign.response' => getenv('SIGN_RESPONSE') === '1',
    'sign.logout' => true,
    'validate.logout' => true,
    'NameIDFormat' => $persistent,
    'attributes.NameFormat' => 'urn:oasis:names:tc:SAML:2.0:attrname-format:basic',
    'authproc' => [
        // What the next login says of groups and factors, where a test wants it said otherwise.
        5 => ['class' => 'core:PHP', 'code' => '
            $next = getenv("IDP_DIR") . "/next.json";
            $said = is_file($next) ? json_decode(file_get_contents($next), true) : [];
            if (isset($said["groups"])) {
                $attributes["groups"] = $said["groups"];
            }
            if (isset($said["context"])) {
                $state["saml:AuthnContextClassRef"] = $said["context"];
            }
        '],
        10 => ['class' => 'saml:AttributeNameID', 'attribute' => 'uid', 'Format' => $persistent],
    ],
];
