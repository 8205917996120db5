<?php
// PHP's built-in server hands every path to this file: it runs the script of SimpleSAMLphp that the path
// names, with the rest of the path as PATH_INFO.
$public = '/usr/share/simplesamlphp/www';
$path = preg_replace('#^/simplesaml#', '', parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
// The script that sends a form on by itself; the page asks for it under an address that repeats the base.
if (preg_match('#/resources/([a-z]+\.js)$#', $path, $parts) && is_file("$public/resources/$parts[1]")) {
    header('content-type: text/javascript');
    readfile("$public/resources/$parts[1]");
    return true;
}
if (!preg_match('#^(/[A-Za-z0-9/_-]+\.php)(/.*)?$#', $path, $parts) || !is_file($public . $parts[1])) {
    http_response_code(404);
    return true;
}
$_SERVER['SCRIPT_NAME'] = '/simplesaml' . $parts[1];
$_SERVER['SCRIPT_FILENAME'] = $public . $parts[1];
$_SERVER['PHP_SELF'] = '/simplesaml' . $path;
$_SERVER['PATH_INFO'] = $parts[2] ?? '';
chdir(dirname($public . $parts[1]));
require $public . $parts[1];
return true;
