<?php
// The service under test. Its requests must be signed with its published key.
// Services that were made known while the provider runs.
$known = getenv('IDP_DIR') . '/services.json';
if (is_file($known)) {
    foreach (json_decode(file_get_contents($known), true) as $entity => $service) {
        $metadata[$entity] = [
            'AssertionConsumerService' => $service['acs'],
            'SingleLogoutService' => $service['logout'],
            'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
            'simplesaml.nameidattribute' => 'uid',
            'validate.authnrequest' => true,
            'validate.logout' => true,
            'redirect.sign' => true,
            'keys' => [
                ['type' => 'X509Certificate', 'signing' => true, 'encryption' => false,
                    'X509Certificate' => $service['signing']],
            ],
        ];
    }
    return;
}
$metadata[getenv('SP_ENTITY')] = [
    'AssertionConsumerService' => getenv('SP_ACS'),
    'SingleLogoutService' => getenv('SP_SLO'),
    'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    'simplesaml.nameidattribute' => 'uid',
    'validate.authnrequest' => true,
    'validate.logout' => true,
    'redirect.sign' => true,
    'assertion.encryption' => getenv('ENCRYPT') === '1',
    'sharedkey_algorithm' => 'http://www.w3.org/2009/xmlenc11#aes128-gcm',
    'keys' => [
        ['type' => 'X509Certificate', 'signing' => true, 'encryption' => false,
            'X509Certificate' => getenv('SP_SIGNING')],
        ['type' => 'X509Certificate', 'signing' => false, 'encryption' => true,
            'X509Certificate' => getenv('SP_ENCRYPTION')],
    ],
];
