BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE audit (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	key_name VARCHAR(100) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	count INTEGER NOT NULL, 
	subject VARCHAR(200)
);
INSERT INTO "audit" VALUES(1,1.79610161899665141107e+09,'shop','put',1,'n1');
INSERT INTO "audit" VALUES(2,1.79610161899665379519e+09,'shop','liked',1,NULL);
INSERT INTO "audit" VALUES(3,1.79610161899665451046e+09,'shop','removed',1,'f0001');
INSERT INTO "audit" VALUES(4,1.79610161899665498729e+09,'shop','forgotten',1,NULL);
CREATE TABLE block_reports (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	first_at FLOAT NOT NULL, 
	"query" VARCHAR(1000) NOT NULL, 
	comment VARCHAR(500) NOT NULL, 
	category VARCHAR(40) NOT NULL, 
	score FLOAT NOT NULL, 
	times INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	UNIQUE ("query")
);
INSERT INTO "block_reports" VALUES(1,1.79610161899780130384e+09,'a toy sword','for my son','weapons',0.4,1,'open');
CREATE TABLE blocked_counts (
	day VARCHAR(10) NOT NULL, 
	category VARCHAR(40) NOT NULL, 
	count INTEGER NOT NULL, 
	PRIMARY KEY (day, category)
);
INSERT INTO "blocked_counts" VALUES('2026-12-01','weapons',1);
CREATE TABLE changes (
	sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind VARCHAR(16) NOT NULL, 
	item_id VARCHAR(200), 
	user_id VARCHAR(200), 
	body TEXT, 
	encoder VARCHAR(64), 
	vector BLOB
);
INSERT INTO "changes" VALUES(1,'put','n1',NULL,'{"item_id": "n1", "title": "Sun hat", "text": null, "category": "hats", "brand": null, "price": 12.95, "price_original": null, "currency": "EUR", "year": null, "image": null, "available": true, "attributes": "{}"}','abc',X'000000000000803E0000003F0000403F');
INSERT INTO "changes" VALUES(2,'liked','n1','u1','{"user_id": "u1", "item_id": "n1", "weight": 5.0, "kind": "rating", "timestamp": 1700000000, "liking": 1.0}',NULL,NULL);
INSERT INTO "changes" VALUES(3,'removed','f0001',NULL,NULL,NULL,NULL);
INSERT INTO "changes" VALUES(4,'forgotten',NULL,'u2',NULL,NULL,NULL);
CREATE TABLE keys (
	key_id VARCHAR(32) NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	scope VARCHAR(16) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	created_at FLOAT NOT NULL, 
	revoked_at FLOAT, 
	PRIMARY KEY (key_id), 
	UNIQUE (name)
);
INSERT INTO "keys" VALUES('c6a68d5a849712eb','shop','write','4659c79d0cf6ea6eff3de99092d1519dd7d8167dff44ba34375c0e89daebe333',1.79610161899168229099e+09,NULL);
CREATE TABLE log (
	identity VARCHAR(32) NOT NULL, 
	PRIMARY KEY (identity)
);
INSERT INTO "log" VALUES('001237294684f1d46978ceca55c0644a');
CREATE INDEX changes_of_items ON changes (item_id);
CREATE INDEX changes_of_users ON changes (user_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('changes',4);
INSERT INTO "sqlite_sequence" VALUES('audit',4);
INSERT INTO "sqlite_sequence" VALUES('block_reports',1);
COMMIT;
