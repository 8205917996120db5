<?php
// People of the test.
$config = [
    'admin' => ['core:AdminPassword'],
    'people' => [
        'exampleauth:UserPass',
        'alice:alice-password' => [
            'uid' => ['alice'],
            'mail' => ['alice@corp.example'],
            'displayName' => ['Alice "A" <&> Ångström'],
            'groups' => ['developers', 'all & sundry'],
        ],
        'bob:bob-password' => [
            'uid' => ['bob'],
            'mail' => ['bob@corp.example'],
            'displayName' => ['Bob Cratchit'],
            'groups' => ['support'],
        ],
    ],
];
