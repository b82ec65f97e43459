-- The two roles of docs/operations-postgres.md, with passwords for trying it.
CREATE ROLE adapter_admin LOGIN PASSWORD 'admin';
CREATE ROLE adapter_app LOGIN PASSWORD 'app';
CREATE SCHEMA IF NOT EXISTS atis AUTHORIZATION adapter_admin;
GRANT USAGE ON SCHEMA atis TO adapter_app;
ALTER DEFAULT PRIVILEGES FOR ROLE adapter_admin IN SCHEMA atis GRANT SELECT, INSERT, UPDATE ON TABLES TO adapter_app;
ALTER DEFAULT PRIVILEGES FOR ROLE adapter_admin IN SCHEMA atis GRANT USAGE ON SEQUENCES TO adapter_app;
