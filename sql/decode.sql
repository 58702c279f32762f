-- Packets, scripts and notifications in readable form.

-- a short message of a command packet
SELECT jsonb_pretty(smsr.decode('\x02700000281516391212000001'
	'2c48775299883c5c0d71ce47ca5c34ad79587985811e2eb8d9884bde8471a147'));

-- what this module builds
SELECT jsonb_pretty(smsr.decode(smsr.scp80_command('\x0001', '\x00', '\x00', '\x000001', 258, '', '',
	smsr.script(ARRAY['\x80e28800153a03124f10a0000005591010ffffffff8900001300'::bytea, '\x80caff2100']))));
SELECT n, smsr.decode(segment) -> 'concatenation' AS concatenation, smsr.decode(segment) -> 'packet' ->> 'kind' AS packet
FROM smsr.sms_segments(smsr.scp80_command('\x1639', '\x12', '\x12', '\x000001', 1,
	'\x000102030405060708090a0b0c0d0e0f', '\x101112131415161718191a1b1c1d1e1f', decode(repeat('00', 200), 'hex')),
	reference => 7) WITH ORDINALITY AS s(segment, n);
SELECT smsr.decode(packet) ->> 'kind' AS kind, smsr.decode(packet) ->> 'bearer' AS bearer, smsr.decode(packet) #>> '{tar,name}' AS tar
FROM smsr.scp80_command('\x1639', '\x12', '\x12', '\x000010', 1, '\x000102030405060708090a0b0c0d0e0f',
	'\x101112131415161718191a1b1c1d1e1f', '\xaa00', 'cat_tp') AS packet;

-- answers: unsecured, ciphered
SELECT jsonb_pretty(smsr.decode('\x027100000b0ab0001000000000000006'));
SELECT smsr.decode('\x02710000241200000111d1d1741f1f8f6924ee0fb69285e84a94595724ef9caf65d262a8de22954dd4') -> 'packet' AS packet;

-- scripts, their answers
SELECT jsonb_pretty(smsr.decode('\xaa07220580caff2100'));
SELECT jsonb_pretty(smsr.decode('\xab2c8001012327e3234f10a0000005591010ffffffff89000013009f70013f5301018f0400010000910202009000'));
SELECT jsonb_pretty(smsr.decode('\xab1b800101231680124f10a0000005591010ffffffff89000014009000'));
SELECT smsr.decode('\xab06800100900102') -> 'objects' AS objects;
SELECT smsr.decode('\xaf80230269e1') AS cut_off;
SELECT smsr.decode('\x02612f') AS recognised, smsr.decode('\x02612f', 'compact_response') AS compact_response;

-- keys are not shown, nor what may be one
SELECT jsonb_pretty(smsr.decode('\x80d80081460288111000112233445566778899aabbccddeeff03504a77'
	'88111000112233445566778899aabbccddeeff03504a7788111000112233445566778899aabbccddeeff03504a7700'));
SELECT smsr.decode('\x00d6000010000102030405060708090a0b0c0d0e0f');

-- notifications, triggers
SELECT jsonb_pretty(smsr.decode('\xe1354c10890010120123412340123456789012244d01024e0200072f10a0000005591010ffffffff890000130014083a65430921654387'));
SELECT jsonb_pretty(smsr.decode('\x813883368413350103390205003c030201bb3e0521c0a80001850804deadbeef02004086070003a503002130890c8a0a61646d696e2e686f7374'));

-- nothing is an error but a kind that there is not
SELECT smsr.decode('') AS nothing, smsr.decode(NULL) IS NULL AS "null", smsr.decode('\x00', NULL) AS octets;
SELECT kind, smsr.decode('\x0102', kind) AS decoded
FROM unnest('{tp_ud,command_packet,response_packet,script,apdu,notification,compact_response}'::text[]) AS kind;
SELECT smsr.decode('\x00', 'packet');
SELECT smsr.decode(convert_to(repeat('x', 1048577), 'UTF8')) AS too_long;
-- a megabyte: as much as there is room for
SELECT d ->> 'length' AS length, jsonb_array_length(d -> 'objects') > 1000 AS objects, d -> 'cut' AS cut
FROM smsr.decode('\xae80'::bytea || decode(repeat('220480e20800', 174000), 'hex') || '\x0000') AS d;
SELECT count(*) FROM generate_series(0, 255) AS a, generate_series(0, 255) AS b
WHERE smsr.decode(set_byte(set_byte('\x000000000000000000000000000000000000'::bytea, 0, a), 1, b)) ? 'kind';
