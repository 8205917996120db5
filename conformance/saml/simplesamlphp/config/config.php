<?php
// A provider for one run, all of it in the folder that IDP_DIR names.
$folder = getenv('IDP_DIR');
$config = [
    'baseurlpath' => getenv('IDP_URL') . '/simplesaml/',
    'certdir' => "$folder/cert/",
    'loggingdir' => "$folder/log/",
    'datadir' => "$folder/data/",
    'tempdir' => "$folder/tmp/",
    'metadata.sources' => [['type' => 'flatfile', 'directory' => "$folder/metadata/"]],
    'store.type' => 'sql',
    'store.sql.dsn' => "sqlite:$folder/data/sessions.sq3",
    'secretsalt' => 'salt of a provider that lives for one test',
    'auth.adminpassword' => 'not used in this test',
    'technicalcontact_name' => 'nobody',
    'technicalcontact_email' => 'na@example.org',
    'timezone' => 'UTC',
    'logging.handler' => 'file',
    'logging.level' => 5,
    'enable.saml20-idp' => true,
    'module.enable' => ['core' => true, 'saml' => true, 'exampleauth' => true],
    'session.cookie.secure' => false,
    'session.cookie.samesite' => null,
    'session.cookie.name' => 'WardroomTestIdp',
    'session.phpsession.cookiename' => 'WardroomTestIdpPhp',
];
